#!/bin/sh
# The agent of deployment {id} of `{product}`. In /etc/alien-agent there are state-key, record.json and policy.json,
# which user 65532 can read. The volume has its state. Before `alien-deploy up --agent-key`, make it once:
#   docker run --rm --user 65532:65532 --volume alien-agent:/state --volume /etc/alien-agent:/config:ro \
#       {image} init --state /state --key-file /config/state-key --deployment {id} > agent.pub
exec docker run --detach --name alien-agent --restart unless-stopped \
    --user 65532:65532 --read-only --cap-drop ALL --security-opt no-new-privileges \
    --memory 256m --pids-limit 64 --stop-timeout 2100 \
    --volume alien-agent:/state --volume /etc/alien-agent:/config:ro \
    {image} run --state /state --key-file /config/state-key --record /config/record.json --policy /config/policy.json --memory 256
