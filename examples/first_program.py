import reactivex.operators as ops

from rxbosbase import BosBase
from rxbosbase import operators as rxb

with BosBase("http://127.0.0.1:8090") as client:
    new_messages = client.collection("messages").observe("*").pipe(rxb.of_action("create"))
    texts = new_messages.pipe(ops.map(lambda event: event.record["text"]), ops.take(3))
    texts.pipe(ops.do_action(print)).run()
