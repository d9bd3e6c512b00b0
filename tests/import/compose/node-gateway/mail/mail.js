require('net').createServer((socket) => socket.end('220 mail\r\n')).listen(18563, () => console.log('mail', process.argv.slice(2)));
