"""The status page: what a consortium's coordinator looks at, made on the server, without anything from elsewhere."""
