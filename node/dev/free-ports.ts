/**
 * Ports for tests and benchmarks, that start processes which open them a moment later. The system's own choice
 * (port 0) would do for nobody but the one who keeps it open: until a process listens, the same number may be given
 * to any connection that begins. So they are taken from below what systems give to connections (Linux from 32768,
 * others from 49152), each number once, and each process begins elsewhere.
 */
import { LocalClusterError } from './errors.ts';
import { canListen, type NodePorts, planPorts } from './ports.ts';

const firstPort = 12_000;
const portCount = 15_000;
/** Processes have neighbouring IDs: a test process needs some hundred ports. */
const portsBetweenProcesses = 613;

let next = (process.pid * portsBetweenProcesses) % portCount;

/** A port that nobody uses, and that is given to nobody else. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < portCount; tried++) {
    const port = take();
    if (await canListen(port)) return port;
  }
  throw new LocalClusterError(`no port from ${firstPort} on is free`);
}

/** All ports of some nodes. */
export async function freePorts(nodes: number): Promise<NodePorts[]> {
  const all: NodePorts[] = [];
  for (let node = 0; node < nodes; node++) {
    all.push({
      resp: await freePort(),
      grpc: await freePort(),
      peer: await freePort(),
      metrics: await freePort(),
    });
  }
  return all;
}

/** A RESP port from which on all ports of a cluster (`planPorts`) are free. */
export async function freeBase(nodes: number): Promise<number> {
  for (let tried = 0; tried < portCount; tried++) {
    const base = await freePort();
    for (let taken = 1; taken < nodes; taken++) take();
    const ports = planPorts(base, nodes).flatMap((node) => Object.values(node) as number[]);
    const free = await Promise.all(ports.map((port) => canListen(port)));
    if (free.every(Boolean)) return base;
  }
  throw new LocalClusterError(`no ${nodes} ports in a row from ${firstPort} on are free`);
}

function take(): number {
  const port = firstPort + next;
  next = (next + 1) % portCount;
  return port;
}
