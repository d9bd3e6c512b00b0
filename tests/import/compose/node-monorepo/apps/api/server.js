const http = require('http');
const log = require('../../packages/log');
const port = Number(process.env.PORT || 3000);
let ticks = 0;
http.createServer((request, response) => {
  if (request.url === '/tick') ticks += 1;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ parcels: ['A1', 'B2'], ticks, greeting: process.env.GREETING, store: process.env.STORE }));
}).listen(port, () => log('api listens on', port));
process.on('SIGTERM', () => process.exit(0));
