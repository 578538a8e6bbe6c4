/** `/metrics` in either format. The library is loaded by the first scrape: a start does not wait for it. */
import type { Metric, RegistryContentType } from 'prom-client';
import { type MetricDefinition, type MetricSources, metricDefinitions } from './metrics.ts';

export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

/** OpenMetrics where the scraper accepts it, else Prometheus' own text format. */
export async function expose(sources: MetricSources, accept: string): Promise<Exposition> {
  const { Registry } = await import('prom-client');
  const openMetrics = accept.includes('application/openmetrics-text');
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(
    openMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE,
  );
  for (const definition of metricDefinitions) {
    if (sources.perShard || !definition.perShard) {
      registry.registerMetric(pulled(definition, sources));
    }
  }
  return { contentType: registry.contentType, body: await registry.metrics() };
}

/**
 * A metric whose values stand elsewhere. The registry asks of a metric no more than name and `get`, its type asks
 * for the whole class of a metric that keeps its own values.
 */
function pulled(definition: MetricDefinition, sources: MetricSources): Metric {
  const { name, help, type } = definition;
  const metric = {
    name,
    help,
    type,
    get: async () => ({
      name: metric.name,
      help,
      type,
      aggregator: 'sum',
      values: definition.read(sources),
    }),
  };
  return metric as unknown as Metric;
}
