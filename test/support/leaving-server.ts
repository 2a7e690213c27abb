/** What a function that is frozen between two calls meets: a server that has hung up meanwhile. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Nothing of this process happens meanwhile, as in a function between two calls. */
export function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** A server with an event loop of its own, which answers and hangs up 5 ms later. */
export async function startLeavingServer() {
  const counter = new Int32Array(new SharedArrayBuffer(4));
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    const server = require('node:net').createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        Atomics.add(workerData, 0, 1);
        socket.write('HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok');
        setTimeout(() => socket.end(), 5);
      });
    });
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(script, { eval: true, workerData: counter });
  const [port]: unknown[] = await once(worker, 'message');
  return {
    origin: `http://127.0.0.1:${port}`,
    requests: () => Atomics.load(counter, 0),
    close: () => worker.terminate(),
  };
}
