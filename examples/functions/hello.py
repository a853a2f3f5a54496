def handle(ctx, payload):
    """Says hello to a name from a place."""
    name = payload.get("name") or "Noone"
    place = payload.get("place") or "Nowhere"
    return {"myField": "Hello, %s from %s" % (name, place)}
