const http = require('http');
const { NODE_ENV, STORAGE, S3_BUCKET, LIMIT, COLOUR, NOTES_PORT, SENTRY_DSN } = process.env;
http.createServer((request, response) => {
  response.end(JSON.stringify({ NODE_ENV, STORAGE, S3_BUCKET, LIMIT, COLOUR, SENTRY_DSN }));
}).listen(Number(NOTES_PORT), () => console.log('notes on', NOTES_PORT));
