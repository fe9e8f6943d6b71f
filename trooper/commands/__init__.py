"""What people type: `trooper serve`, `check`, `connect`, `fetch-model`."""
