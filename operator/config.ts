/** Settings of the operator: environment variables `RDB_OPERATOR_*` or flags of the same names. */
import { ConfigurationError } from './errors.ts';

interface Setting {
  readonly name: string;
  readonly type: string;
  readonly meaning: string;
  /** Undefined: none. */
  readonly fallback: string | undefined;
  readonly pattern: RegExp;
}

const NAME = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';

export const settings = {
  image: {
    name: 'RDB_OPERATOR_IMAGE',
    type: 'image reference',
    meaning: 'Image of the nodes of clusters whose spec names none, taken when they are made',
    fallback: undefined,
    pattern: /^\S{1,512}$/,
  },
  namespace: {
    name: 'RDB_OPERATOR_NAMESPACE',
    type: 'namespace',
    meaning: 'Where the operator runs; its Lease for leader election is there',
    fallback: undefined,
    pattern: new RegExp(`^${NAME}$`),
  },
  identity: {
    name: 'RDB_OPERATOR_IDENTITY',
    type: 'text without spaces',
    meaning: 'Name of this process in the Lease and in Events: that of its pod',
    fallback: undefined,
    pattern: /^\S{1,128}$/,
  },
  watchNamespaces: {
    name: 'RDB_OPERATOR_WATCH_NAMESPACES',
    type: 'namespaces, separated by commas',
    meaning: 'Where RDbClusters are looked after; empty: everywhere',
    fallback: '',
    pattern: new RegExp(`^(${NAME}(,${NAME})*)?$`),
  },
  leaderElection: {
    name: 'RDB_OPERATOR_LEADER_ELECTION',
    type: 'true | false',
    meaning: 'Whether several operators may run, of which one works',
    fallback: 'true',
    pattern: /^(true|false)$/,
  },
  leaderElectionName: {
    name: 'RDB_OPERATOR_LEADER_ELECTION_NAME',
    type: 'name of a Lease',
    meaning: 'The Lease that the operator which works holds',
    fallback: 'rdb-operator',
    pattern: /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/,
  },
  metricsPort: {
    name: 'RDB_OPERATOR_METRICS_PORT',
    type: 'port, 0 to 65535',
    meaning: 'HTTP: /metrics, /healthz, /readyz; 0 takes a free one',
    fallback: '9122',
    pattern: /^\d{1,5}$/,
  },
  kubeconfig: {
    name: 'RDB_OPERATOR_KUBECONFIG',
    type: 'path',
    meaning: 'kubeconfig file; unset: the service account of the pod',
    fallback: '',
    pattern: /^.{0,4096}$/,
  },
  logLevel: {
    name: 'RDB_OPERATOR_LOG_LEVEL',
    type: 'trace | debug | info | warn | error | fatal | silent',
    meaning: 'Log lines below this level are left out',
    fallback: 'info',
    pattern: /^(trace|debug|info|warn|error|fatal|silent)$/,
  },
} as const satisfies Record<string, Setting>;

type Key = keyof typeof settings;
type Texts = Readonly<Record<Key, string>>;

export interface Configuration {
  readonly image: string;
  readonly namespace: string;
  readonly identity: string;
  /** Empty: all. */
  readonly watchNamespaces: readonly string[];
  readonly leaderElection: boolean;
  readonly leaderElectionName: string;
  readonly metricsPort: number;
  readonly kubeconfig: string | undefined;
  readonly logLevel: string;
}

const PREFIX = 'RDB_OPERATOR_';
const keys = Object.keys(settings) as Key[];

/** Throws ConfigurationError, naming the setting and what would be right. */
export function configure(
  environment: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
): Configuration {
  const known = new Set<string>(keys.map((key) => settings[key].name));
  for (const name of Object.keys(environment)) {
    if (name.startsWith(PREFIX) && !known.has(name)) {
      throw new ConfigurationError(`${name} is no setting: --help lists them`);
    }
  }
  const flags = readFlags(argv);
  const texts = Object.fromEntries(
    keys.map((key) => [key, read(settings[key], flags, environment)]),
  ) as Texts;
  const metricsPort = Number(texts.metricsPort);
  if (metricsPort > 65_535) throw wrong(settings.metricsPort, texts.metricsPort);
  return {
    image: texts.image,
    namespace: texts.namespace,
    identity: texts.identity,
    watchNamespaces: texts.watchNamespaces === '' ? [] : texts.watchNamespaces.split(','),
    leaderElection: texts.leaderElection === 'true',
    leaderElectionName: texts.leaderElectionName,
    metricsPort,
    kubeconfig: texts.kubeconfig === '' ? undefined : texts.kubeconfig,
    logLevel: texts.logLevel,
  };
}

export function help(): string {
  const rows = keys.map((key) => {
    const { name, type, meaning, fallback } = settings[key] as Setting;
    const from =
      fallback === undefined ? 'required' : `default ${fallback === '' ? 'none' : fallback}`;
    return `  ${flagOf(name)}  (${name})\n      ${meaning}.\n      ${type}; ${from}`;
  });
  return `The operator of r_db: looks after RDbCluster objects.\n\n${rows.join('\n')}\n`;
}

function read(
  setting: Setting,
  flags: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const text = flags.get(setting.name) ?? environment[setting.name] ?? setting.fallback;
  if (text === undefined) {
    throw new ConfigurationError(
      `${setting.name} is not set: ${setting.meaning} (${setting.type})`,
    );
  }
  if (!setting.pattern.test(text)) throw wrong(setting, text);
  return text;
}

function readFlags(argv: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>(
    keys.map((key) => [flagOf(settings[key].name), settings[key].name]),
  );
  const flags = new Map<string, string>();
  for (let index = 0; index < argv.length; index++) {
    const [flag = '', ...rest] = (argv[index] ?? '').split('=');
    const name = names.get(flag);
    if (name === undefined) throw new ConfigurationError(`${flag} is no flag: --help lists them`);
    const value = rest.length > 0 ? rest.join('=') : argv[++index];
    if (value === undefined) throw new ConfigurationError(`${flag} needs a value`);
    flags.set(name, value);
  }
  return flags;
}

function flagOf(name: string): string {
  return `--${name.slice(PREFIX.length).toLowerCase().replaceAll('_', '-')}`;
}

function wrong({ name, type }: Setting, text: string): ConfigurationError {
  return new ConfigurationError(
    `${name} is ${JSON.stringify(text.slice(0, 100))}, expected ${type}`,
  );
}
