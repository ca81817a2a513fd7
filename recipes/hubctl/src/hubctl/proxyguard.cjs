// Loaded into the proxy's process by NODE_OPTIONS=--require. Before the first byte of a request goes to a server, it
// looks who has accepted the connection: on a loopback that users share, and on a bridge that gives addresses out again,
// that need not be the server that was started there.
//
// A user's server has a record, a file named ADDRESS:PORT in HUBFORGE_SERVERS (hubctl.servers writes it):
//   pid, started   the container's first process and its start time: the address is the container's while it lives
//   inode          on the host's network: the socket that the hub found listening, in that very container
// Whatever else listens on a guarded address, such as the hub, has to run as the proxy's own user.
// HUBFORGE_GUARDED names the guarded networks, `127.0.0.0/8,172.17.0.0/16`; others are none of our business.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const path = require("node:path");

const LISTEN = "0A"; // include/net/tcp_states.h
const servers = process.env.HUBFORGE_SERVERS;
const guarded = new net.BlockList();
for (const network of process.env.HUBFORGE_GUARDED.split(",")) {
  const [address, bits] = network.split("/");
  guarded.addSubnet(address, Number(bits), net.isIPv6(address) ? "ipv6" : "ipv4");
}
guarded.addAddress("::1", "ipv6");

function readIfThere(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") return null;
    throw error;
  }
}

// 127.0.0.1 as /proc/net/tcp writes it: words in the machine's byte order, which is little-endian on linux-64
function inTable(address) {
  if (net.isIPv4(address)) {
    const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
    return bytes.reverse().join("").toUpperCase();
  }
  return address === "::1" ? "00000000000000000000000001000000" : null;
}

// the sockets of this host that get connections to address:port
function listeners(address, port) {
  const exact = inTable(address);
  const suffix = ":" + port.toString(16).toUpperCase().padStart(4, "0");
  const found = [];
  for (const table of ["tcp", "tcp6"]) {
    const text = readIfThere("/proc/self/net/" + table);
    for (const line of (text || "").split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] !== LISTEN || !fields[1].endsWith(suffix)) continue;
      const local = fields[1].slice(0, -suffix.length);
      if (local === exact || /^0+$/.test(local)) {
        found.push({ uid: Number(fields[7]), inode: Number(fields[9]), exact: local === exact });
      }
    }
  }
  // the kernel prefers a socket that is bound to the address itself
  return found.some((one) => one.exact) ? found.filter((one) => one.exact) : found;
}

// proc(5), stat: `starttime` is the 20th field after the name, which may hold anything
function isAlive(pid, started) {
  const text = readIfThere(`/proc/${pid}/stat`);
  if (text === null) return false;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[19]) === started && fields[0] !== "Z" && fields[0] !== "X";
}

function recordOf(address, port) {
  return readIfThere(path.join(servers, `${address}:${port}`));
}

// why the peer of a connection must not get a request; null where it may
function objection(address, port, recordBefore) {
  if (!guarded.check(address, net.isIPv6(address) ? "ipv6" : "ipv4")) return null;
  const record = recordOf(address, port);
  if (record === null) {
    const found = listeners(address, port);
    const ours = found.length > 0 && found.every((one) => one.uid === process.geteuid());
    return ours ? null : "neither a user's server that runs, nor a program of the hub's user";
  }
  // to an address that nobody has, connecting takes seconds, in which another container can get it
  if (record !== recordBefore) return "another server has been given this address meanwhile";
  const { pid, started, inode } = JSON.parse(record);
  if (!isAlive(pid, started)) return "the container of this server has ended";
  if (inode === undefined) return null;
  const found = listeners(address, port);
  return found.length > 0 && found.every((one) => one.inode === inode) ? null : "not the server that was started there";
}

const refusedBefore = new Set();

function check(address, port, recordBefore) {
  const target = `${address}:${port}`;
  let reason;
  try {
    reason = objection(address, port, recordBefore);
  } catch (error) {
    reason = `can't be checked: ${error.message}`;
  }
  if (reason === null) {
    refusedBefore.delete(target);
    return null;
  }
  if (!refusedBefore.has(target)) console.error(`proxyguard: nothing is sent to ${target}: ${reason}`);
  refusedBefore.add(target);
  // the code that the proxy knows for a server that is not there
  return Object.assign(new Error(`${target}: ${reason}`), { code: "ECONNREFUSED" });
}

const connect = http.Agent.prototype.createConnection;

// Node's documented way to make a connection later: nothing is returned, `done` gets the socket, and only then is the
// request written to it. An established connection stays with its peer, so it is checked once.
http.Agent.prototype.createConnection = function createConnection(options, done) {
  if (options.socketPath) return connect.call(this, options, done);
  const recordBefore = recordOf(options.host, options.port);
  const socket = net.connect(options);
  const failed = (error) => done(error);
  socket.once("error", failed);
  socket.once("connect", () => {
    socket.removeListener("error", failed);
    const refusal = check(socket.remoteAddress, socket.remotePort, recordBefore);
    if (refusal === null) return done(null, socket);
    socket.destroy();
    done(refusal);
  });
};
