console.log('janitor', process.argv.slice(2).join('|'));
setInterval(() => console.log('swept'), 1000 * Number(process.argv[3]));
