"""An exported design on the phone: packages of its network, and a bundle for Apple's pipelines."""
