"""The container engine of this host: client, credentials, labels, and its errors in our words."""
