const http = require('http');
const words = process.argv.slice(2);
const routes = {};
let port = 80;
words.forEach((word, at) => {
  if (word === '--listen') port = Number(words[at + 1]);
  if (word === '--route') {
    const [path, ...target] = words[at + 1].split('=');
    routes[path] = target.join('=');
  }
});
const fallback = { '/stock': `http://${process.env.STOCK}`, '/billing': `http://${process.env.BILLING_HOST}:${process.env.BILLING_PORT}` };
http.createServer((request, response) => {
  const target = routes[request.url] || fallback[request.url];
  if (!target) return response.end('gateway');
  return http.get(target, (answer) => answer.pipe(response)).on('error', (error) => {
    response.statusCode = 502;
    response.end(`${target}: ${error.message}`);
  });
}).listen(port, () => console.log('gateway on', port, routes, fallback, process.env.MAIL_HOST));
