"""What stands between clients and models: any OpenAI or Anthropic client, any provider."""
