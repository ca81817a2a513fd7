// Loaded into the proxy's process by NODE_OPTIONS=--require. On SIGHUP, connections that are made from then on get the
// key and certificate that lie in the proxy's files now; those that are open go on. The proxy itself can't do that.
"use strict";

const fs = require("node:fs");
const https = require("node:https");
const tls = require("node:tls");

const fileOf = (option) => process.argv[process.argv.indexOf(option) + 1];
const files = { key: fileOf("--ssl-key"), cert: fileOf("--ssl-cert") };
const read = () => ({ key: fs.readFileSync(files.key), cert: fs.readFileSync(files.cert) });

let server, options;

function renew() {
  try {
    const renewed = { ...options, ...read() };
    tls.createSecureContext(renewed); // refuses a pair that does not belong together, before anything has changed
    server.setSecureContext(renewed);
    console.error(`proxycertificate: new connections get the certificate in ${files.cert}`);
  } catch (error) {
    console.error(`proxycertificate: goes on with the certificate as before; ${files.cert}, ${files.key}: ${error.message}`);
  }
}

const createServer = https.createServer;

// The proxy has other servers: its control port, which may have a certificate of its own.
https.createServer = function (given, ...others) {
  const made = createServer.call(this, given, ...others);
  if (server === undefined && given.cert && read().cert.equals(given.cert)) [server, options] = [made, given];
  return made;
};

if (process.argv.includes("--ssl-key") && process.argv.includes("--ssl-cert")) {
  process.on("SIGHUP", () => server && renew());
}
