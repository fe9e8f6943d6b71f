"""What people type: `trooper serve`, `check`, `fetch-model`."""
