#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// caller.js SERVICE PATH...: calls an API by pointsman's advice, once for each path, with nothing but Node.js 18 or later.
'use strict';
const net = require('node:net');

class PointsmanError extends Error {
  constructor({ error, parameters }) {
    super(`${error} ${JSON.stringify(parameters)}`);
    this.name = error.split('.').pop(); // NoUsableNode
    this.parameters = parameters;
  }
}

// One connection. Requests are answered in order, so that any number of them may be under way.
class Pointsman {
  #waiting = [];
  #received = Buffer.alloc(0);

  constructor(path = process.env.POINTSMAN_SOCKET ?? '/run/pointsman/pointsman.sock') {
    this.socket = net.connect(path);
    this.socket.on('data', (data) => this.#receive(data));
    this.socket.on('error', (e) => this.#end(e));
    this.socket.on('close', () => this.#end(new Error('pointsmand has hung up')));
  }

  call(method, parameters) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.socket.write(`${JSON.stringify({ method: `org.pointsman.routing.${method}`, parameters })}\0`);
    });
  }

  close() {
    this.socket.end();
  }

  #receive(data) {
    this.#received = Buffer.concat([this.#received, data]);
    for (let end; (end = this.#received.indexOf(0)) >= 0; ) {
      const reply = JSON.parse(this.#received.subarray(0, end).toString());
      this.#received = this.#received.subarray(end + 1);
      const { resolve, reject } = this.#waiting.shift();
      if (reply.error) reject(new PointsmanError(reply));
      else resolve(reply.parameters);
    }
  }

  #end(error) {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

const errors = { ECONNREFUSED: 'connect', ENOTFOUND: 'dns', EAI_AGAIN: 'dns', ECONNRESET: 'reset' };

// The call itself: its body if it is good, and what Report wants to know of it.
async function callProvider(url) {
  const start = performance.now();
  let body, outcome;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10000) });
    body = await response.text();
    outcome = { httpStatus: response.status, headers: Object.fromEntries(response.headers) };
    if (!response.ok) {
      outcome.body = body.slice(0, 4096);
      body = undefined;
    }
  } catch (e) {
    outcome = { error: e.name === 'TimeoutError' ? 'timeout' : errors[e.cause?.code] ?? 'reset' };
  }
  return { body, outcome: { ...outcome, latencyMs: performance.now() - start } };
}

async function call(pointsman, serviceName, path) {
  let { decision } = await pointsman.call('Route', { serviceName });
  for (let attempt = 1; attempt <= 3; attempt++) {
    console.error(`attempt ${attempt}: ${decision.node}`);
    const { body, outcome } = await callProvider(decision.url + path);
    if (body !== undefined) {
      await pointsman.call('Report', { decision: decision.id, ...outcome });
      return body;
    }
    // Reports the failure, and asks for a node that was not tried yet.
    ({ decision } = await pointsman.call('CostAwareFallback', { decision: decision.id, ...outcome }));
  }
  // A decision that is not used says so; else it would count as open until it expires.
  await pointsman.call('Report', { decision: decision.id, error: 'not_sent' });
  throw new Error(`no node of ${serviceName} answers`);
}

async function main(service, paths) {
  const pointsman = new Pointsman();
  try {
    const bodies = await Promise.all(paths.map((path) => call(pointsman, service, path)));
    process.stdout.write(bodies.join(''));
  } finally {
    pointsman.close();
  }
}

const [service, ...paths] = process.argv.slice(2);
if (paths.length === 0) {
  console.error('usage: caller.js SERVICE PATH...');
  process.exitCode = 2;
} else
  main(service, paths).catch((e) => {
    console.error(`caller.js: ${e.message}`);
    process.exitCode = 1;
  });
