/** A table in a process of its own that answers every write at once with the same item, so that only its caller's work shows. */
import * as z from 'zod';
import { listen, runChildServer } from './child-server.ts';

const ANSWER = JSON.stringify({
  Attributes: {
    pk: { S: 'team/acme/search' },
    st: { S: 'active' },
    lv: { N: '3' },
    pv: { N: '12' },
    uM202611: { N: '48211900' },
    tM202611: { N: '9120331' },
    rm29384021: { N: '41' },
    im29384021: { N: '80211' },
    om29384021: { N: '12004' },
    l: { M: { m: { N: '5000000000' }, rpm: { N: '600' }, tpm: { N: '2000000' } } },
    h: { M: { a0b1c2d3: { L: [{ N: '1' }, { N: '70000' }, { N: '900' }, { N: '512' }] } } },
    x: { M: {} },
  },
});

runChildServer(z.object({}), () =>
  listen((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(200, {
        'content-type': 'application/x-amz-json-1.0',
        'content-length': Buffer.byteLength(ANSWER),
      });
      response.end(ANSWER);
    });
  }),
);
