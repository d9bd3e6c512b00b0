const http = require('http');
const [url] = process.env.API_URL.split(',');
const quiet = process.argv.includes('--quiet');
setInterval(() => {
  http.get(url, (answer) => { answer.resume(); if (!quiet) console.log('ticked', url); })
    .on('error', (error) => console.log('tick failed', error.message));
}, Number(process.env.EVERY_MS));
console.log('ticking', url, quiet ? 'quietly' : 'loudly');
