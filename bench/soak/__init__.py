"""Minutes of mixed load with a fault every few seconds, and a proof that nothing was lost and nobody is locked out.

``python -m bench soak --minutes 10 --seed 1``: two replicas of the bridge, the Django site under gunicorn, PostgreSQL
and Redis, all real and all private; a population whose old hashes are upgraded while servers are killed.
"""
