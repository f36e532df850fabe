# lib/net: event loop glue, sockets, TLS, DNS
