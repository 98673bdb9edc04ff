// The points around each system call and store that a successor finds sessions by (docs/survival.md).

/// Where the balancer of a chaos build kills itself. In any other build they are names without a meaning.
enum ChaosPoint: Int, CaseIterable, Sendable {
    // A connection is taken.
    case accepted, slotTaken, clientRegistered, clientStored
    // It gets a server.
    case connectWhole, keyStored, connectCalled, serverRegistered, serverStored, connectSent, connackRead
    // It is established.
    case countedAtServer, learned, clientCookieStored, serverCookieStored, clientKept, serverKept, relaying
    // A direction moves bytes.
    case chunkTaken, baseStored, chunkStored, received, receivedStored, readNothing, sent, sentStored, chunkForgotten
    case endHeard, endStored, shut, shutStored
    // A direction in bulk.
    case pipeMade, pipeKept, pipeClosed, pipeTaken, pipeStored, splicedIn, splicedInStored, splicedOut, splicedOutStored, pipeForgotten
    // The same, transformed.
    case inputTaken, inputBaseStored, inputAttached, edgeReceived, edgeReceivedStored
    case outputTaken, outputBaseStored, outputAttached, transformed, progressWritten, committed, progressMoved, countsFollowed
    case inputForgotten
    case edgeSent, edgeSentStored, outputForgotten
    // The same, in records of ours.
    case opened, sealed, newKeysStored, newKeysPrepared, newKeysMoved, oldKeysForgotten
    // A packet for the client is looked at.
    case keptChunkTaken, keptBack, keptMoved, lookedAt, ledOver
    // It ends.
    case endBegun, tableLeft, upForgotten, serverClosed, serverForgotten, edgeForgotten, clientClosed, keysCleared, slotFreed
    // A successor comes.
    case stateMapped, holderStarted, ownerStored, welcomed, prepared, loopsBegun
    case swept, slotRecovered, slotAbandoned, rebuilt, counted, replayed, inherited, listening, pinned
    // Events come and go.
    case told, eventServed, continued

    /// A process, or a loop, passes it once in its life.
    var isPassedOnce: Bool {
        switch self {
        case .stateMapped, .holderStarted, .ownerStored, .swept, .welcomed, .prepared, .loopsBegun, .rebuilt, .inherited, .listening:
            true
        default: false
        }
    }
}
