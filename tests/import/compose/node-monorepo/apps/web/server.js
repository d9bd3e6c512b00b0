const http = require('http');
const log = require('../../packages/log');
const port = Number(process.env.PORT || 18502);
const api = process.env.API_URL;
http.createServer((request, response) => {
  http.get(`${api}/parcels`, (answer) => answer.pipe(response)).on('error', (error) => {
    response.statusCode = 502;
    response.end(String(error));
  });
}).listen(port, () => log('web listens on', port));
process.on('SIGTERM', () => process.exit(0));
