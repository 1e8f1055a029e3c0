"""What travels between a client and a server: HTTP/1.1 and server-sent events, as bytes with the times they came."""
