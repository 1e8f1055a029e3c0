"""Outside observers: start-up marks, the host, the server's own counters; none of them inside the load process."""
