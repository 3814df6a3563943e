// Jobs, by the name of tasks.

include "shared.thrift"

enum TaskStatus {
    ALLOCATED = 0,
    ENQUEUED = 1,
    RUNNING = 2,
    COMPLETED = 3,
    FAILED = 4,
    CANCELLED = 5,
    DROPPED = 6,
}

struct TaskInfo {
    1: string token
    2: string taskKind
    3: TaskStatus status
    4: i64 productId
    5: string actorUsername
    6: string summary
    7: string comments
    8: i64 enqueuedAtEpoch
    9: i64 startedAtEpoch
    10: i64 completedAtEpoch
    11: i64 lastHeartbeatEpoch
    12: bool cancelFlagSet
}

struct AdministratorTaskInfo {
    1: TaskInfo normalInfo
    2: string machineId
    3: bool statusConsumed
}

struct TaskFilter {
    1: list<string> tokens
    2: list<string> machineIDs
    3: list<string> kinds
    4: list<TaskStatus> statuses
    5: list<string> usernames
    6: list<i64> productIDs
    7: i64 enqueuedBeforeEpoch
    8: i64 enqueuedAfterEpoch
    9: i64 startedBeforeEpoch
    10: i64 startedAfterEpoch
    11: i64 completedBeforeEpoch
    12: i64 completedAfterEpoch
    13: i64 heartbeatBeforeEpoch
    14: i64 heartbeatAfterEpoch
    15: shared.Ternary cancelFlag
    16: shared.Ternary consumedFlag
}

service Tasks {
    bool cancelTask(1: string token) throws (1: shared.RequestFailed requestError)
    string createDummyTask(1: i32 timeout, 2: bool shouldFail) throws (1: shared.RequestFailed requestError)
    TaskInfo getTaskInfo(1: string token) throws (1: shared.RequestFailed requestError)
    list<AdministratorTaskInfo> getTasks(1: TaskFilter filters) throws (1: shared.RequestFailed requestError)
}
