// Streams that were cut: nobody on their other side is told that they have ended in order.

import Linux
import TLS
import WebSocket
import Wire

extension Loop {
    /// Whether the source's stream ended without close_notify: whoever cut it might not be who spoke.
    func isTruncated(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        if edges[edge].layers.hasRecords(client: isUp) { return !edges[edge][isUp: isUp].isReadClosed }
        return tls(index, client: isUp)?.state == .established
    }

    /// Whether a direction's end is nobody's word: its source's TLS was cut, and so was what it carries.
    ///
    /// A WebSocket that was closed has said its end inside. Who is cut after the other side's end may have been content with that, as
    /// many are.
    func isCut(_ index: UInt32, isUp: Bool) -> Bool {
        let flow = edges[slots[index].edge][isUp: isUp]
        return flow.isEnded && flow.ending.isOpen && !slots[index][isUp: !isUp].isShut && isTruncated(index, isUp: isUp)
    }

    /// Whether the end of a direction is passed on as a reset: the destination speaks no TLS whose close_notify would be missing, and no
    /// MQTT whose packets tell what is whole.
    func isAborted(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        return edge != 0 && slots[index].isOpaque && edges[edge][isUp: isUp].isSealed && !edges[edge].layers.hasTLS(client: !isUp)
    }

    /// Ends what is said to a client whose stream misses bytes: a WebSocket has a word for that, TLS and TCP a silence.
    func sayCut(_ index: UInt32, _ code: CloseCode) -> Bool {
        if edges[slots[index].edge].layers.hasWebSocket(client: true) { return sayGoodbye(index, toClient: true, code) }
        sealOff(index, isUp: false)
        return true
    }

    /// A side's connection was reset while bytes flowed. What an opaque client was given before is delivered, then it hears a reset, too.
    func endReset(_ index: UInt32, isClient: Bool) {
        guard !isClient, slots[index].isOpaque, edges[slots[index].edge].layers.hasTLS(client: false) else {
            return end(index, isClient ? .clientReset : .serverReset)
        }
        linger(index, .serverReset, .internalError, isCut: true)
    }

    /// The client's stream was cut or broken: an opaque server without TLS is to hear a reset when its socket closes.
    func cutServer(_ index: UInt32) {
        guard slots[index].isOpaque, slots[index].server >= 0, !edges[slots[index].edge].layers.hasTLS(client: false) else { return }
        Socket.resetOnClose(slots[index].server)
    }
}
