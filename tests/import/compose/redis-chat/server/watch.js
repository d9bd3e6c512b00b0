console.log('watching', process.argv.slice(2));
setInterval(() => {}, 1000);
