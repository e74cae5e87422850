"""What proxies train on: pictures made from a seed and their checker, digits, a user's own."""
