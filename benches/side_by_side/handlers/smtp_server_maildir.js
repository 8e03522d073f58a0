// An SMTP server of Node's smtp-server that writes Maildirs: file and folder are synced before the reply.
// Arguments: the folder of the modules, the port of 127.0.0.1, and the folder that gets example.org/userN.
"use strict";

const fs = require("fs/promises");
const path = require("path");

const [modules, port, root] = process.argv.slice(2);
const { SMTPServer } = require(path.join(modules, "node_modules", "smtp-server"));
let number = 0;

// Writes one file: tmp, sync, new, sync of the folder.
async function deliver(box, content) {
  for (const folder of ["tmp", "new", "cur"]) {
    await fs.mkdir(path.join(box, folder), { recursive: true, mode: 0o700 });
  }
  const name = `${number++}.P${process.pid}.node`;
  const temporary = path.join(box, "tmp", name);
  const file = await fs.open(temporary, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
  await fs.rename(temporary, path.join(box, "new", name));
  const folder = await fs.open(path.join(box, "new"), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function boxOf(address) {
  const [user, host] = address.split("@");
  if (!/^[a-z0-9]+$/.test(user) || host !== "example.org") {
    throw new Error("no such mailbox");
  }
  return path.join(root, host, user);
}

const server = new SMTPServer({
  name: "bench.example.org",
  authOptional: true,
  disabledCommands: ["AUTH", "STARTTLS"],
  disableReverseLookup: true,
  size: 50_000_000,
  onData(stream, session, done) {
    const parts = [];
    stream.on("data", (part) => parts.push(part));
    stream.on("error", done);
    stream.on("end", () => {
      const content = Buffer.concat(parts);
      Promise.resolve()
        .then(() => Promise.all(session.envelope.rcptTo.map((to) => deliver(boxOf(to.address), content))))
        .then(() => done(null, "delivered"), done);
    });
  },
});
server.on("error", (error) => console.error(error.message));
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
process.on("SIGTERM", () => process.exit(0));
