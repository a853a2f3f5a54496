const server = require('node:http')
  .createServer((_, answer) => answer.end('built on this machine\n'))
  .listen(8080, () => console.log('listening on 8080'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
