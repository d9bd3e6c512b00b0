const http = require('http');
const port = Number(process.env.PORT || 18562);
const { CURRENCY, RATE_URL, VAT, INVOICE_FORMAT, REGEX } = process.env;
http.createServer((request, response) => {
  response.end(JSON.stringify({ service: 'stock', ok: true, CURRENCY, RATE_URL, VAT, INVOICE_FORMAT, REGEX }));
}).listen(port, () => console.log('stock on', port));
