// A real request through the proxy: add a route over its API, fetch through it, take the route away again; and what it
// logs of that into something that is no terminal.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";

const TOKEN = "token-of-this-test";

function listen(server) {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}

async function freePort() {
  const probe = net.createServer();
  const port = await listen(probe);
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function waitFor(url) {
  for (let tries = 100; ; tries--) {
    try {
      return await fetch(url, { headers: { Authorization: `token ${TOKEN}` } });
    } catch (error) {
      if (tries === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const server = http.createServer((request, response) => {
  response.end(`${request.method} ${request.url} of ${request.headers["x-forwarded-host"]}`);
});
const target = `http://127.0.0.1:${await listen(server)}`;
const [port, apiPort] = [await freePort(), await freePort()];
const args = ["--ip", "127.0.0.1", "--port", port, "--api-ip", "127.0.0.1", "--api-port", apiPort];
const proxy = spawn("configurable-http-proxy", args.map(String), {
  env: { ...process.env, CONFIGPROXY_AUTH_TOKEN: TOKEN },
  stdio: ["ignore", "pipe", "inherit"],
});
let log = "";
proxy.stdout.setEncoding("utf8").on("data", (text) => (log += text));

try {
  const api = `http://127.0.0.1:${apiPort}/api/routes`;
  const here = `http://127.0.0.1:${port}/user/ada/lab?x=1`;
  const headers = { Authorization: `token ${TOKEN}` };
  assert.equal((await waitFor(api)).status, 200);
  assert.equal((await fetch(api)).status, 403, "the API answers without a token");
  assert.equal((await fetch(here)).status, 404);

  const body = JSON.stringify({ target });
  assert.equal((await fetch(`${api}/user/ada`, { method: "POST", headers, body })).status, 201);
  const answer = await fetch(here);
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), `GET /user/ada/lab?x=1 of 127.0.0.1:${port}`);

  assert.equal((await fetch(`${api}/user/ada`, { method: "DELETE", headers })).status, 204);
  assert.equal((await fetch(here)).status, 404);

  proxy.kill();
  await once(proxy, "close");
  assert.match(log, /^\S+ \[ConfigProxy\] info: Adding route \/user\/ada -> /m);
  assert.ok(!log.includes("\x1b"), "escape codes in the log");
} finally {
  proxy.kill();
  server.close();
}
