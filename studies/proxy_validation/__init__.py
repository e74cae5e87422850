"""Does short training rank designs like long training does? A study of the proxy itself."""
