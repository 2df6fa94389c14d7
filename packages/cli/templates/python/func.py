import json
import logging

from fdk import response


# Runs once for each call. `data` has the body.
def handler(ctx, data=None):
    body = data.getvalue() if data is not None else b""
    name = (json.loads(body) if body else {}).get("name", "world")
    greeting = ctx.Config().get("GREETING", "Hello")  # `config` of func.yaml and of the app
    logging.getLogger().info("greeting %s", name)  # fnfleet logs shows it
    return response.Response(
        ctx,
        response_data=json.dumps({"message": f"{greeting}, {name}!"}),
        headers={"Content-Type": "application/json"},
    )
