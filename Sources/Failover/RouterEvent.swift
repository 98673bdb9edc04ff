// What subscribers of events are told.

import VRRP
import Wire

/// One thing that happened to a router.
enum RouterEvent {
    /// The role changed; the reason as it stands in a sentence.
    case moved(from: VirtualRouter.Role, to: VirtualRouter.Role, because: String)
}
