import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SILENT } from '../../../kube/index.ts';
import type { DriverRun, NewEvent } from '../driver.ts';
import { vcenter } from './vcenter.ts';

const event = (key: number, type: string, extra: string): string =>
  `<returnval xsi:type="${type}"><key>${key}</key><chainId>${key}</chainId><createdTime>2026-01-31T12:00:0${key}.5Z</createdTime><userName>VSPHERE\\ada</userName><fullFormattedMessage>Event ${key} &amp; more</fullFormattedMessage>${extra}</returnval>`;
const VM = '<vm><name>web-1</name><vm type="VirtualMachine">vm-42</vm></vm>';

/** Speaks the wire protocol of a vCenter, as far as events are concerned. */
class Simulator implements AsyncDisposable {
  readonly logins: string[] = [];
  events: string[] = [];
  /** Ends the session before the next call. */
  isForgetful = false;
  #session = '';
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      request.on('end', () => {
        const method = /<soapenv:Body><(\w+)/.exec(body)?.[1] ?? '';
        const isIn =
          this.#session !== '' && request.headers.cookie === `vmware_soap_session="${this.#session}"`;
        const { status, text, cookie } = this.#answer(method, body, isIn);
        const headers = {
          'content-type': 'text/xml',
          ...(cookie && { 'set-cookie': `${cookie}; Path=/; HttpOnly` }),
        };
        response
          .writeHead(status, headers)
          .end(
            `<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>${text}</soapenv:Body></soapenv:Envelope>`,
          );
      });
    });
  }

  #answer(method: string, body: string, isIn: boolean): { status: number; text: string; cookie?: string } {
    const fault = (name: string): { status: number; text: string } => ({
      status: 500,
      text: `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>${name}</faultstring><detail><${name}Fault xmlns="urn:vim25"/></detail></soapenv:Fault>`,
    });
    const reply = (value: string): { status: number; text: string } => ({
      status: 200,
      text:
        value === ''
          ? `<${method}Response xmlns="urn:vim25"/>`
          : `<${method}Response xmlns="urn:vim25">${value}</${method}Response>`,
    });
    if (method === 'RetrieveServiceContent')
      return reply(
        '<returnval><sessionManager type="SessionManager">SessionManager</sessionManager><eventManager type="EventManager">EventManager</eventManager></returnval>',
      );
    if (method === 'Login') {
      const user = /<userName>(.*?)<\/userName><password>(.*?)<\/password>/.exec(body);
      this.logins.push(`${user?.[1]}:${user?.[2]}`);
      if (user?.[2] !== 'p&amp;ss') return fault('InvalidLogin');
      this.#session = String(this.logins.length);
      return {
        ...reply('<returnval><key>k</key></returnval>'),
        cookie: `vmware_soap_session="${this.#session}"`,
      };
    }
    if (this.isForgetful) {
      this.isForgetful = false;
      this.#session = '';
      return fault('NotAuthenticated');
    }
    if (!isIn) return fault('NotAuthenticated');
    if (method === 'CreateCollectorForEvents') {
      assert.match(body, /<beginTime>\d{4}-/);
      return reply('<returnval type="EventHistoryCollector">session[1]52</returnval>');
    }
    assert.match(body, /session\[1\]52/);
    const { events } = this;
    this.events = [];
    return reply(events.join(''));
  }

  listen(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`),
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function runOf(url: string, heard: (event: NewEvent) => void, secrets: Record<string, string>): DriverRun {
  return {
    namespace: 'default',
    name: 'center',
    settings: new Map([
      ['vcenterurl', url],
      ['seconds', '0.01'],
    ]),
    secrets,
    sources: { fetch } as unknown as DriverRun['sources'],
    emit: async (item) => heard(item),
    now: Date.now,
    log: SILENT,
  };
}

test('what happens in a vCenter becomes events, over a lost session too', async () => {
  await using center = new Simulator();
  const url = await center.listen();
  const heard: NewEvent[] = [];
  let wake = (): void => {};
  const count = async (wanted: number): Promise<void> => {
    while (heard.length < wanted)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  center.events = [
    event(1, 'VmBeingCreatedEvent', VM),
    event(2, 'VmClonedEvent', `${VM}<srcTemplate><name>gold</name><vm>vm-1</vm></srcTemplate>`),
  ];
  using _ = vcenter(
    runOf(
      url,
      (item) => {
        heard.push(item);
        wake();
      },
      { username: 'ada', password: 'p&ss' },
    ),
  );
  await count(2);
  assert.deepEqual(heard[0], {
    type: 'vm.being.created',
    source: `vcenter/${new URL(url).host}`,
    id: '1',
    time: '2026-01-31T12:00:01.500Z',
    subject: 'web-1',
    data: { message: 'Event 1 & more', metadata: { vm_name: 'web-1', vm_id: 'vm-42', user: 'VSPHERE\\ada' } },
  });
  assert.equal(heard[1]!.type, 'vm.cloned');
  assert.equal((heard[1]!.data as { metadata: { src_template: string } }).metadata.src_template, 'gold');
  center.isForgetful = true;
  // After a new session it is told of old ones again, which are known.
  center.events = [event(2, 'VmClonedEvent', VM), event(3, 'DrsVmPoweredOnEvent', VM)];
  await count(3);
  assert.equal(heard[2]!.type, 'drs.vm.powered.on');
  assert.deepEqual(center.logins, ['ada:p&amp;ss', 'ada:p&amp;ss']);
});

test('a driver without an address or without credentials says what it needs', () => {
  const make = (url: string, secrets: Record<string, string>) => () => vcenter(runOf(url, () => {}, secrets));
  assert.throws(make('', {}), /vcenterurl/);
  assert.throws(make('nonsense', {}), /no address/);
  assert.throws(make('https://vcenter.example.com', {}), /username and password/);
});
