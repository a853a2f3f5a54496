export { WebhookClient, type WebhookClientOptions } from './client.ts';
