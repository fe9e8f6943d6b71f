"""
The web layer: ASGI in, one relayed answer out.

`asgi` is the application, `guest` runs it where the server's loop is asyncio,
`front_door` decides who may come in, `routes` answers what is not a stream,
`serve` is the server that `trooper serve` starts.
"""
