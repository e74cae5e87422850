"""What proxies train on: captioned pictures made from a seed, their checker, a user's folder."""
