/** Node's sockets without their ES modules: an import of `node:tls` would read every export once, its list of authorities among them. */
export const net = process.getBuiltinModule('node:net');
export const tls = process.getBuiltinModule('node:tls');
