package app

// WebhookEvents are the events that the demo's Stripe sends.
var WebhookEvents = webhookEvents
