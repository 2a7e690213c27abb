/**
 * Loaded before Portkey's gateway. It would bind every address and has no setting for that: here it binds 127.0.0.1, and its
 * parent is told the port. It also answers 500 to every call, because it adds to the headers of what `fetch` returns,
 * which no version of Node allows now (https://github.com/Portkey-AI/gateway/issues/1389): it is given a copy that may be changed.
 */
import net from 'node:net';

const { listen } = net.Server.prototype;

net.Server.prototype.listen = function listenOnLoopback(this: net.Server, ...given: unknown[]) {
  const [port] = given;
  const callback = given.findLast((each) => typeof each === 'function');
  this.once('listening', () => {
    const address = this.address();
    if (address !== null && typeof address === 'object') process.send?.({ port: address.port });
    if (typeof callback === 'function') callback();
  });
  return listen.call(this, { port: Number(port), host: '127.0.0.1' });
};

const { fetch: originalFetch, Response: OriginalResponse } = globalThis;

globalThis.fetch = async (...request) => {
  const answer = await originalFetch(...request);
  return new OriginalResponse(answer.body, answer);
};
