/** Where figures were measured: without it they mean little. */
import { readFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGibibytes: number;
  readonly system: string;
  readonly kernel: string;
  readonly nodeVersion: string;
  readonly date: string;
  /** One-minute load average when the run began: others' work on the same cores. */
  readonly loadAverage: number;
}

export async function describeMachine(): Promise<Machine> {
  const release_ = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGibibytes: Math.round(totalmem() / 2 ** 30),
    system: /^PRETTY_NAME="(.*)"$/m.exec(release_)?.[1] ?? process.platform,
    kernel: release(),
    nodeVersion: process.version,
    date: new Date().toISOString().slice(0, 10),
    loadAverage: loadavg()[0] ?? 0,
  };
}

export function machineLine(machine: Machine): string {
  const { cores, cpu, memoryGibibytes, system, kernel, nodeVersion, date, loadAverage } = machine;
  return `${cores} cores (${cpu}), ${memoryGibibytes} GiB, ${system}, Linux ${kernel}, Node.js ${nodeVersion}, ${date}, load average at the start ${loadAverage.toFixed(1)}`;
}
