import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { checkPorts, PortError } from './ports.ts';

describe('ports', () => {
  it('names a port in use and its setting, also where the holder would share it', async () => {
    for (const reusePort of [false, true]) {
      const holder = createServer();
      holder.listen({ port: 0, host: '127.0.0.1', reusePort });
      await once(holder, 'listening');
      const { port } = holder.address() as AddressInfo;
      const failure = await checkPorts('127.0.0.1', [{ setting: 'RDB_RESP_PORT', port }]).then(
        () => undefined,
        (error: Error) => error,
      );
      expect(failure).to.be.instanceOf(PortError);
      expect(failure?.message).to.match(new RegExp(`port ${port} \\(RDB_RESP_PORT\\) is in use`));
      holder.close();
      await once(holder, 'close');
      await checkPorts('127.0.0.1', [{ setting: 'RDB_RESP_PORT', port }]);
    }
  });

  it('says which setting holds an address that is not of this machine', async () => {
    const failure = await checkPorts('192.0.2.1', [{ setting: 'RDB_RESP_PORT', port: 1024 }]).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failure?.message).to.match(/192\.0\.2\.1 \(RDB_BIND_ADDRESS\) is not an address/);
  });

  it('takes every address for ::, with or without IPv6', async () => {
    expect(await checkPorts('::', [{ setting: 'RDB_RESP_PORT', port: 0 }])).to.be.oneOf([
      '::',
      '0.0.0.0',
    ]);
  });
});
