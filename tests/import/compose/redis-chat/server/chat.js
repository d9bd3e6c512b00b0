const http = require('http');
const net = require('net');
const url = new URL(process.env.CACHE_URL);
const command = (...words) => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
const ask = (...words) => new Promise((resolve, reject) => {
  const socket = net.connect(Number(url.port), url.hostname);
  let text = '';
  socket.on('error', reject);
  socket.on('data', (data) => { text += data; });
  socket.on('end', () => resolve(text.split('\r\n').slice(1, 2)[0]));
  socket.end(command('AUTH', url.password) + command(...words) + command('QUIT'));
});
http.createServer(async (request, response) => {
  try {
    response.end(`${process.env.TITLE} ${process.env.ROOM} visits ${await ask('INCR', 'visits')}\n`);
  } catch (error) {
    response.statusCode = 503;
    response.end(`${error}\n`);
  }
}).listen(Number(process.env.CHAT_PORT), () => console.log('chat on', process.env.CHAT_PORT));
