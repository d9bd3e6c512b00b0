const path = require("path");

const common = {
  cwd: path.join(__dirname, "apps"),
  max_memory_restart: "500M",
  merge_logs: true,
  log_date_format: "YYYY-MM-DD HH:mm:ss Z",
};

module.exports = {
  apps: [
    {
      ...common,
      name: "api",
      script: "./dist/main.js",
      instances: "max",
      exec_mode: "cluster",
      node_args: "--max-old-space-size=4096 --enable-source-maps",
      args: ["--title=hello world"],
      wait_ready: true,
      listen_timeout: 8000,
      kill_timeout: 5000,
      shutdown_with_message: false,
      instance_var: "INSTANCE_ID",
      env: { NODE_ENV: "development", PORT: 3000, FEATURES: { chat: true } },
      env_production: { NODE_ENV: "production", PORT: 80 },
      env_staging: { NODE_ENV: "staging" },
    },
    {
      ...common,
      name: "next",
      script: "node_modules/.bin/next",
      args: "start -p 3001",
      exp_backoff_restart_delay: 100,
      max_restarts: 10,
      min_uptime: "20s",
    },
    {
      name: "queue worker",
      script: "npm",
      args: "run worker -- --queue 'high priority'",
      autorestart: true,
      restart_delay: 4000,
      stop_exit_codes: [0, 3],
      watch: ["src"],
      ignore_watch: ["node_modules", "logs"],
      watch_options: { followSymlinks: false },
      error_file: "./logs/worker-error.log",
      out_file: "./logs/worker-out.log",
      time: true,
    },
    {
      name: "cron",
      script: "./scripts/nightly.sh",
      cron_restart: "0 3 * * *",
      autorestart: false,
      namespace: "jobs",
    },
    {
      name: "line",
      script: "python -m http.server 3005 | tee out.txt",
      interpreter: "none",
    },
  ],
  deploy: {
    production: {
      user: "node",
      host: "example.com",
      ref: "origin/main",
      repo: "git@example.com:shop.git",
      path: "/srv/shop",
      "post-deploy": "npm ci && pm2 reload ecosystem.config.js --env production",
    },
  },
};
