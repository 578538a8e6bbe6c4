/** The gRPC connection to one node. */
import { type ChannelOptions, connectivityState, credentials, Metadata } from '@grpc/grpc-js';
import { ClusterClient, type StatsResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { KeyValueClient } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import {
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
} from './limits.ts';

const OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': RECONNECT_MS_MIN,
  'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
  // A value can be longer than the 4 MiB that is the default.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // Retries are decided by this library, which knows what may happen twice.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  'grpc.enable_http_proxy': 0,
};

export class Channel {
  readonly address: string;
  readonly keyValue: KeyValueClient;
  readonly cluster: ClusterClient;
  /** Whether there ever was a connection. */
  wasReady = false;

  constructor(address: string) {
    this.address = address;
    this.keyValue = new KeyValueClient(address, credentials.createInsecure(), OPTIONS);
    const channelOverride = this.keyValue.getChannel();
    this.cluster = new ClusterClient(address, credentials.createInsecure(), { channelOverride });
  }

  /**
   * Resolves when there is a connection; what was sent after that may have arrived. Rejects when
   * connecting failed or took longer than `timeoutMs`: then nothing was sent.
   */
  async ready(timeoutMs: number): Promise<void> {
    const channel = this.keyValue.getChannel();
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) {
        this.wasReady = true;
        return;
      }
      if (state === connectivityState.TRANSIENT_FAILURE)
        throw new Error(`${this.address} does not answer`);
      if (state === connectivityState.SHUTDOWN)
        throw new Error(`the connection to ${this.address} is closed`);
      await new Promise<void>((resolve, reject) => {
        channel.watchConnectivityState(state, deadline, (error) => {
          if (error) reject(new Error(`${this.address} did not answer within ${timeoutMs} ms`));
          else resolve();
        });
      });
    }
  }

  isReady(): boolean {
    const state = this.keyValue.getChannel().getConnectivityState(false);
    if (state === connectivityState.READY) this.wasReady = true;
    return state === connectivityState.READY;
  }

  /** Begins to connect, if there is no connection; nobody waits for it. */
  open(): void {
    this.keyValue.getChannel().getConnectivityState(true);
  }

  stats(timeoutMs: number): Promise<StatsResponse> {
    const deadline = Date.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      this.cluster.stats({}, new Metadata(), { deadline }, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
  }

  close(): void {
    this.keyValue.close();
  }
}
