import { type SettingKey, settingKeys, settings } from './schema.ts';
import { flagName } from './setting.ts';

/** What `--help` prints. */
export function helpText(): string {
  const lines = [
    'One node of an r_db cluster.',
    '',
    'Settings come from environment variables or from flags of the same names',
    '(RDB_RESP_PORT=6379 or --resp-port 6379; flags win). Those marked * are also read from',
    'files in RDB_CONFIG_DIRECTORY, which win over both and take effect while the node runs.',
    '',
  ];
  for (const key of settingKeys) {
    const setting = settings[key];
    const mark = setting.reloadable ? ' *' : '';
    lines.push(`  ${setting.name}${mark}  (${flagName(setting.name)})`);
    lines.push(`      ${setting.meaning}.`);
    lines.push(`      ${setting.type}; default: ${setting.defaultText}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The table of docs/configuration.md; a test holds the page to it. */
export function helpMarkdown(): string {
  const rows = settingKeys.map((key) => row(key));
  return [
    '| setting | flag | type | default | reloaded | meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function row(key: SettingKey): string {
  const setting = settings[key];
  const cells = [
    `\`${setting.name}\``,
    `\`${flagName(setting.name)}\``,
    setting.type,
    setting.defaultText,
    setting.reloadable ? 'yes' : 'no',
    setting.meaning,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

if (import.meta.main) {
  process.stdout.write(helpMarkdown());
}
