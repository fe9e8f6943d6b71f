"""What people type: `trooper run`, `serve`, `connect`, `config`, `check`, `fetch-model`."""
